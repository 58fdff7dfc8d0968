using Xunit;

// Each class has servers of its own; the processors are theirs.
[assembly: CollectionBehavior(MaxParallelThreads = 2)]
