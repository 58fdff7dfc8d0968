using OrleansCache.Storm;

try
{
    return await StormRun.RunAsync(StormOptions.Parse(args), Console.Out) ? 0 : 1;
}
catch (FormatException e)
{
    Console.Error.WriteLine($"storm: {e.Message}");
    return 2;
}
