using System.Globalization;
using OrleansCache.Core.Common;

namespace OrleansCache.Model.Tests;

/// <summary>The program behind eng/model, which tells what the options mean.</summary>
internal static class ModelProgram
{
    /// <param name="gateways">Unless the options say so.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string[] args, int gateways, IModelCluster? cluster, IReadOnlyList<Mutant> all)
    {
        double minutes = 1;
        int? seed = null;
        string? only = null;
        var (mutants, workers) = (false, Environment.ProcessorCount);
        for (var i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--minutes": minutes = double.Parse(args[++i], CultureInfo.InvariantCulture); break;
                case "--seed": seed = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
                case "--gateways": gateways = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
                case "--workers": workers = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
                case "--policy": Profile.Policies = [Enum.Parse<VerifyPolicy>(args[++i], ignoreCase: true)]; break;
                case "--mutants": mutants = true; break;
                case "--mutant": (mutants, only) = (true, args[++i]); break;
                default:
                    await Console.Error.WriteLineAsync($"model: '{args[i]}' is no option");
                    return 2;
            }
        }

        if (mutants)
        {
            var survivors = 0;
            foreach (var mutant in all.Where(m => only is null || m.Name.Contains(only, StringComparison.Ordinal)))
            {
                var hunt = await Search.HuntAsync(mutant, seed ?? 1, shrink: true, gateways, cluster);
                survivors += hunt.IsFound ? 0 : 1;
                Console.WriteLine(hunt);
                if (only is not null)
                    Console.WriteLine(hunt.Finding);
            }

            return survivors == 0 ? 0 : 1;
        }

        var search = seed is { } one
            ? await Search.RunAsync(gateways, 1, one, most: 1, TimeSpan.MaxValue, cluster)
            : await Search.RunAsync(gateways, workers, Random.Shared.Next(1, 1_000_000_000), most: int.MaxValue,
                TimeSpan.FromMinutes(minutes), cluster);
        Console.WriteLine(search);
        return search.Finding is null ? 0 : 1;
    }
}
