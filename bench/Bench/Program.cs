using OrleansCache.Bench;

try
{
    return args is ["push", .. var arguments] ? await PushBench.RunAsync(BenchOptions.Parse(arguments)) : throw new BenchException("There is one benchmark: push. Run it with eng/bench.");
}
catch (BenchException e)
{
    await Console.Error.WriteLineAsync($"bench: {e.Message}");
    return 2;
}
