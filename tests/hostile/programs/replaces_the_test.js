function add(a, b) {}
test = () => {};
