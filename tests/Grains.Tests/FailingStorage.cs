using System.Collections.Concurrent;
using Orleans.Storage;

namespace OrleansCache.Grains.Tests;

/// <summary>A storage of documents that fails for the grains of a world while its test wants so.</summary>
internal sealed class FailingStorage(IGrainStorage rows) : IGrainStorage
{
    public const string Name = "rows";

    private static readonly ConcurrentDictionary<string, bool> Failing = new(StringComparer.Ordinal);

    public static void Fail(string scope) => Failing[scope] = true;

    public static void Mend(string scope) => Failing.TryRemove(scope, out _);

    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        Check(grainId);
        return rows.ReadStateAsync(stateName, grainId, grainState);
    }

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        Check(grainId);
        return rows.WriteStateAsync(stateName, grainId, grainState);
    }

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        rows.ClearStateAsync(stateName, grainId, grainState);

    private static void Check(GrainId grain)
    {
        if (Failing.ContainsKey(GrainKey.Parse(grain.Key.ToString()!).Scope))
            throw new IOException("The table of documents does not answer.");
    }
}
