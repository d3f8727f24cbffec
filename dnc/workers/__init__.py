"""Worker processes, and the jobs that run in them: plain data in, plain data out."""
