"""The figures that members of the axes show of themselves while a run goes on; one kind of figure a file.

A member of an axis declares them as values (`shows = (LayerMap(...), ...)`), naming what it measures and how to read
it. Whoever shows a run asks `core.figures.live.of_run.own_figures` for those of its members: no method is known by
name.
"""
