using Orleans.CodeGeneration;

namespace OrleansCache.Grains;

/// <summary>
/// A store path, by <c>cache/hash</c>: its life, read once for all who ask at the same time. Awake while somebody asks; who pushes it wakes
/// no grain of it (see <see cref="IUploadsGrain"/>).
/// </summary>
[Version(Contract.Version)]
[Alias("OrleansCache.IStorePathGrain")]
public interface IStorePathGrain : IGrainWithStringKey
{
    [Alias("Get")]
    Task<PathShown> GetAsync();
}

/// <summary>A path's life, or why there is none.</summary>
/// <param name="Life">JSON of a <see cref="OrleansCache.Contracts.PathLife"/>, as clients get it.</param>
[GenerateSerializer, Immutable, Alias("OrleansCache.PathShown")]
public sealed record PathShown([property: Id(0)] Problem? Problem, [property: Id(1)] byte[]? Life);
