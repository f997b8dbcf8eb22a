#include <assert.h>
#include <bits/stdc++.h>
template <unsigned long n> struct Deep {
    static constexpr unsigned long value = Deep<n + 1>::value + Deep<n + 2>::value;
};
long add(long a, long b) {
    return Deep<0>::value;
