"""Pure Python work: objects, dictionaries, strings, generators, integers and floats."""

import sys


class Node:
    __slots__ = ("key", "left", "right")

    def __init__(self, key):
        self.key = key
        self.left = None
        self.right = None


def insert(root, key):
    while True:
        if key < root.key:
            if root.left is None:
                root.left = Node(key)
                return
            root = root.left
        else:
            if root.right is None:
                root.right = Node(key)
                return
            root = root.right


def walk(node):
    if node is not None:
        yield from walk(node.left)
        yield node.key
        yield from walk(node.right)


def primes(limit):
    sieve = bytearray([1]) * limit
    for i in range(2, int(limit**0.5) + 1):
        if sieve[i]:
            sieve[i * i :: i] = bytes(len(range(i * i, limit, i)))
    return sum(sieve) - 2


def words(count):
    counts = {}
    seed = 1
    for _ in range(count):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        word = "w%d" % (seed % 997)
        counts[word] = counts.get(word, 0) + 1
    return sum(len(k) * v for k, v in sorted(counts.items()))


def orbit(steps):
    x, y, vx, vy = 1.0, 0.0, 0.0, 1.0
    for _ in range(steps):
        r3 = (x * x + y * y) ** 1.5
        vx -= x / r3 * 0.01
        vy -= y / r3 * 0.01
        x += vx * 0.01
        y += vy * 0.01
    return round(x * x + y * y, 6)


def main(rounds):
    for _ in range(rounds):
        root = Node(50000)
        key = 7
        for _ in range(3000):
            key = (key * 7919 + 13) % 100003
            insert(root, key)
        tree = sum(k * (i & 3) for i, k in enumerate(walk(root)))
        print(tree, primes(30000), words(6000), orbit(6000))


main(int(sys.argv[1]))
