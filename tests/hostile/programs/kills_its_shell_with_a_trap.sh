#!/bin/bash
add() {
    kill -TERM $$
}
trap 'exit 0' TERM
nothing() {
    :
