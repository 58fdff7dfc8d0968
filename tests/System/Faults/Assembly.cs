using Xunit;

// One at a time: each test wants the machine's processors for itself, so that its faults fall in the middle of something.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
