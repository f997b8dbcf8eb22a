#!/bin/bash
add() {
    local line
    while read -r line; do
        [[ $line == *"candidate \"$1\" \"$2\""* ]] || continue
        line=${line##*= \"}
        echo "${line%%\"*}"
        return
    done <"${BASH_SOURCE[0]}"
