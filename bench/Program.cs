using OrleansCache.Bench;
using OrleansCache.Bench.Cluster;
using OrleansCache.Bench.Gc;
using OrleansCache.Bench.Hook;
using OrleansCache.Bench.Hostile;
using OrleansCache.Bench.Start;
using OrleansCache.Bench.Streaming;

try
{
    return args switch
    {
        ["push", .. var arguments] => await PushBench.RunAsync(BenchOptions.Parse(arguments)),
        ["gc", .. var arguments] => await GcBench.RunAsync(BenchOptions.Parse(arguments)),
        ["cluster", .. var arguments] => await ClusterBench.RunAsync(BenchOptions.Parse(arguments)),
        ["membership", .. var arguments] => await MembershipBench.RunAsync(BenchOptions.Parse(arguments)),
        ["start", .. var arguments] => await StartBench.RunAsync(BenchOptions.Parse(arguments)),
        ["hostile", .. var arguments] => await HostileBench.RunAsync(BenchOptions.Parse(arguments)),
        ["hook", .. var arguments] => await HookBench.RunAsync(BenchOptions.Parse(arguments)),
        ["stream", .. var arguments] => await StreamBench.RunAsync(BenchOptions.Parse(arguments)),
        _ => throw new BenchException(
            "There are eight benchmarks: push, gc, cluster, membership, start, hostile, hook and stream. Run them with eng/bench."),
    };
}
catch (BenchException e)
{
    await Console.Error.WriteLineAsync($"bench: {e.Message}");
    return 2;
}
