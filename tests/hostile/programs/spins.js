function add(a, b) {
  for (;;);
}
