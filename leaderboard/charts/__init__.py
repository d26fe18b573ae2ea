"""Charts as inline SVG: positions in percent, so that they fill any width while text and marks keep their size.

Colours come from classes of the style sheet, which knows light and dark.
"""
