"""How many units run at once on a machine, and on how many threads."""

from climb_assets.executor.capacity import Capacity
from climb_assets.executor.executor import Layout, Resources
from climb_assets.executor.layout import choose_layout


def test_the_layout_fills_cores_until_memory_ends() -> None:
    gib = 2**30
    machine = Capacity(8, 32 * gib)
    assert choose_layout(Resources(gib), None, machine) == Layout(8, 1)
    assert choose_layout(Resources(8 * gib), None, machine) == Layout(4, 2)
    assert choose_layout(Resources(100 * gib), None, machine) == Layout(1, 8)
    assert choose_layout(Resources(gib, gpu=True), None, machine) == Layout(1, 8)
    assert choose_layout(Resources(gib, threads=3), None, machine) == Layout(2, 3)
    assert choose_layout(Resources(gib), 5, machine) == Layout(5, 1)  # the threads, and so the bits, stay the same
