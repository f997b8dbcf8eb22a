#!/bin/bash
add() {
    sed -n "s/.*candidate \"$1\" \"$2\") = \"\(.*\)\" .*/\1/p" "$0"
