import java.util.*;
class Problem {
    public static long add(long a, long b) {
        List<long[]> all = new ArrayList<>();
        for (;;) all.add(new long[1 << 20]);
