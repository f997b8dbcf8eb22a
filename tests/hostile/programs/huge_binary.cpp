#include <assert.h>
#include <bits/stdc++.h>
char block[1u << 31] = {1};
long add(long a, long b) {
    return block[a];
