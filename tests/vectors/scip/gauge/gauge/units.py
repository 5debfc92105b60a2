import functools


class Unit:
    """What a value counts."""

    def __init__(self, value):
        self.value = value

    def convert(self):
        return self


class Celsius(Unit):
    # Größe und °C: letters that take more than one byte stand before a name.
    def convert(self):
        return {"größe": Fahrenheit(self.value * 9 / 5 + 32)}["größe"]


class Fahrenheit(Unit):
    pass


@functools.lru_cache
def convert(unit):
    """By the unit's own way. Called like the method, and another thing."""
    value = unit.convert()
    return value
