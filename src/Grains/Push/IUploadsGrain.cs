using Orleans.CodeGeneration;
using Orleans.Concurrency;

namespace OrleansCache.Grains;

/// <summary>
/// What the pushes of a cache upload just now, by <c>cache/uploads</c>: who begins learns from it what others upload, without a look into
/// the catalog, and one call tells of a whole closure. It is advice: what it does not know, or knows wrongly, the catalog decides.
/// </summary>
[Version(Contract.Version)]
[Alias("OrleansCache.IUploadsGrain")]
public interface IUploadsGrain : IGrainWithStringKey
{
    /// <summary>
    /// Says by whom each NAR is uploaded, and notes the others as this push's. One turn for all: no two pushes split a closure.
    /// </summary>
    [Alias("Claim")]
    Task<UploadersFound> ClaimAsync(UploadsWanted wanted);

    /// <summary>
    /// Says which other push of the group uploads these paths, or which of those of other groups that this push was told of when it
    /// claimed: 20 bytes each, one after the other.
    /// </summary>
    [Alias("Find")]
    Task<UploadersFound> FindAsync(Guid push, string group, byte[] paths);

    [OneWay]
    [Alias("Released")]
    Task ReleasedAsync(Guid push, byte[] paths);

    [OneWay]
    [Alias("Ended")]
    Task EndedAsync(Guid push);
}

/// <param name="Adopts">Uploads of other groups count, too.</param>
/// <param name="Rate">Bytes per second: see <see cref="OrleansCache.Contracts.UploadClaims"/>.</param>
/// <param name="Paths">20 bytes each, one after the other.</param>
/// <param name="NarHashes">32 bytes each.</param>
/// <param name="NarSizes">One each.</param>
/// <param name="Rank">Of the push's publisher.</param>
[GenerateSerializer, Immutable, Alias("OrleansCache.UploadsWanted")]
public sealed record UploadsWanted([property: Id(0)] Guid Push, [property: Id(1)] string Group, [property: Id(2)] bool Adopts,
    [property: Id(3)] long Rate, [property: Id(4)] byte[] Paths, [property: Id(5)] byte[] NarHashes, [property: Id(6)] long[] NarSizes,
    [property: Id(7)] int Rank);

/// <param name="Places">Of each path that was asked about: its place in <paramref name="Pushes"/>; -1: nobody is known.</param>
/// <param name="Pushes">The uploading pushes, each once.</param>
/// <param name="Own">Of each of them: it is of the group that was asked for.</param>
/// <param name="NarHashes">Of each path that was asked about, 32 bytes; of those of nobody, anything.</param>
[GenerateSerializer, Immutable, Alias("OrleansCache.UploadersFound")]
public sealed record UploadersFound([property: Id(0)] int[] Places, [property: Id(1)] Guid[] Pushes, [property: Id(2)] bool[] Own,
    [property: Id(3)] byte[] NarHashes);
