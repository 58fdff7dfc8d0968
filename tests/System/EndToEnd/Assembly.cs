using Xunit;

// Each class has servers of its own, and many of its seconds are waits: keys settle, caches are deleted, leases end.
[assembly: CollectionBehavior(MaxParallelThreads = 3)]
