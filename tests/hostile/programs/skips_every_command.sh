#!/bin/bash
add() {
    echo 0
}
shopt -s extdebug
skip() {
    return 1
}
trap skip DEBUG
nothing() {
    :
