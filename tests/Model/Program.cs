using System.Diagnostics;
using System.Globalization;
using OrleansCache.Model.Tests;

// eng/model tells what the options mean.
double minutes = 1;
int? seed = null;
var (gateways, mutants) = (2, false);
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--minutes": minutes = double.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--seed": seed = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--gateways": gateways = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--mutants": mutants = true; break;
        default: throw new ArgumentException($"unknown option {args[i]}");
    }
}

await using var database = await ModelDatabase.CreateAsync(gateways);
var explorer = new Explorer(database, Mutant.None);
var first = seed ?? Random.Shared.Next(1, 1_000_000_000);
var watch = Stopwatch.StartNew();
var done = 0;
for (var next = first; seed is not null ? next == first : watch.Elapsed.TotalMinutes < minutes; next++)
{
    if (await explorer.ExploreAsync(next) is { } finding)
    {
        Console.WriteLine($"{done} schedules in {watch.Elapsed}");
        Console.WriteLine(finding);
        Console.WriteLine("shrunk:");
        Console.WriteLine(await explorer.ShrinkAsync(finding));
        return 1;
    }

    done++;
}

Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{done} schedules in {watch.Elapsed.TotalSeconds:0} s ({done / watch.Elapsed.TotalSeconds:0.0} a second), nothing found; seeds from {first}"));
return mutants ? 1 : 0;
