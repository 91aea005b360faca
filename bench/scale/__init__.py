"""What each stage takes for a GiB, a file, a row, a drop, how that grows, and a plan of a day's load made of it.

- `stages`: what is measured, a module for each stage or two; `measuring`: how; `points`: what came out, and its file
- `rates`: lines through it, what one more costs
- `feeds`: a day's load, `MIX`; `plan`: the pods, hours and requests it takes; `costs`, by `PRICES`; `bottlenecks`
- `page`: docs/scale.md; `__main__`: the command
"""
