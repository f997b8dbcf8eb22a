def add(a, b):
    value = []
    for _ in range(500):
        value = [value]
    return value
