#!/bin/bash
add() {
    echo 0
}
exec true
nothing() {
    :
