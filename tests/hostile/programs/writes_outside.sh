#!/bin/bash
add() {
    local place
    for place in /usr/bin/x /etc/x /tmp/x /x /dev/x /guest/x /proc/self/oom_score_adj; do
        if echo 1 >"$place"; then echo $(($1 + $2)); fi
    done
