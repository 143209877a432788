"""The environment variables that libraries take their number of threads from; imports nothing, so as to come first."""

THREAD_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
