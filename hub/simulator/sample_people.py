"""Who presses and writes in the views unless another name is given; any other name is a person as
well.
"""

from __future__ import annotations

PEOPLE = ("Dana Whitfield", "Tom Okafor", "Priya Nair")
