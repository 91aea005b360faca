"""What is measured, by stage: of inlet alone, in several amounts.

- `transfer`: files from SFTP, HTTP, S3 and a drive into S3 on loopback; of 20 KiB each, by their number
- `unwrap_convert`: a file of each wrapping and format; a CSV on one core and on two; small files by their number
- `executors`: a CSV converted by Spark's tasks, beside the same in one process, as `bench.convert --curve` measured it
- `transform`, `publish`: `bench.transform`'s claims; an increment of as many rows into a growing `current`
- `commit`: a commit by drops before it, marks and files; without old snapshots (`expire`); beside other `writers`
- `requests`: what the lake's S3 server is asked for, by zone, counted by an nginx in front of it
- `prefect`: what one run asks of Prefect's server, and what that takes

A module holds what a stage measures, a generator of points, and the work that runs in a process of its own for it.
"""
