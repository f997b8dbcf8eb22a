#!/bin/bash
add() {
    (setsid sleep 61.31 >/dev/null 2>&1 </dev/null &)
    echo 0
}
(setsid sleep 61.31 >/dev/null 2>&1 </dev/null &)
exit 0
nothing() {
    :
