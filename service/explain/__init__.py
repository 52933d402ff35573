"""Explanations on demand, in worker processes of their own: nothing here but `worker` loads torch, and no process that grades.

A request becomes a `jobs` message; `pool` hands it to a worker, kills the worker at the deadline and starts another;
`explainer` puts the pool, the cache and the model repository together for the routes and the command; `answers` writes what
came back as JSON, NPY or PNG.
"""
