"""The time a training may take: its own, so that being stopped for a while costs nothing of it."""
import math
import os
import time


class Clock:
    """Minutes worked of a budget that a file may change while it runs. A step never counts for more than ten usual ones."""

    def __init__(self, minutes, file, spent=0.0):
        self.minutes, self.file, self.spent = minutes, file, spent
        self.last, self.usual, self.steps = time.monotonic(), None, 0

    def tick(self):
        now = time.monotonic()
        took, self.last = now - self.last, now
        self.usual = took if self.usual is None else 0.99 * self.usual + 0.01 * min(took, 3 * self.usual)
        self.spent += min(took, 10 * self.usual) / 60
        self.steps += 1
        if self.steps % 50 == 0 and os.path.exists(self.file):
            self.minutes = float(open(self.file).read())

    def skip(self):
        """What happened since the last tick is not training."""
        self.last = time.monotonic()

    @property
    def share(self):
        return min(1.0, self.spent / self.minutes)

    def scale(self, warm=200, floor=0.02):
        """The learning rate's share: a short climb, then a cosine down to the floor at the end of the budget."""
        return min(1.0, (self.steps + 1) / warm) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * self.share)))
