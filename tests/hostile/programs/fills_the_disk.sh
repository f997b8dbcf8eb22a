#!/bin/bash
add() {
    local i=0
    while head -c 10000000 /dev/zero >"f$((i++))"; do :; done
    exit 1
