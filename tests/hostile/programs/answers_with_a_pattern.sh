#!/bin/bash
add() {
    echo '*'
