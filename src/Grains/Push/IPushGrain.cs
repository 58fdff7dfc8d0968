using Orleans.CodeGeneration;
using Orleans.Concurrency;

namespace OrleansCache.Grains;

/// <summary>
/// A push that uploads or waits, by <c>cache/id</c>: tells the pushes that wait for its uploads what has arrived, and renews the push while
/// its client shows signs of life. Active until the push ends or lapses. All its answers are advice; a fresh activation knows nothing, and
/// says so.
/// </summary>
[Version(Contract.Version)]
[Alias("OrleansCache.IPushGrain")]
public interface IPushGrain : IGrainWithStringKey
{
    /// <summary>The push uploads or waits, or was renewed: without a sign of life it stays open until then.</summary>
    [OneWay]
    [Alias("Opened")]
    Task OpenedAsync(DateTimeOffset expires);

    /// <summary>The push has got so many NARs to upload, more than it had before. Without an expiry that is a sign of life.</summary>
    [OneWay]
    [Alias("Uploads")]
    Task UploadsAsync(DateTimeOffset? expires, int nars);

    [OneWay]
    [Alias("Alive")]
    Task AliveAsync();

    /// <summary>Uploads were recorded.</summary>
    [OneWay]
    [Alias("Arrived")]
    Task ArrivedAsync(ArrivedNars nars);

    [OneWay]
    [Alias("Ended")]
    Task EndedAsync();

    /// <summary>Other pushes of the closure with this digest wait for this push: at its end it tells <see cref="IClosureGrain"/>.</summary>
    [OneWay]
    [Alias("GoesFirst")]
    Task GoesFirstAsync(byte[] closure);

    /// <summary>
    /// News after the first <paramref name="after"/> arrivals of <paramref name="activation"/>; after five seconds without news an empty
    /// answer.
    /// </summary>
    [AlwaysInterleave]
    [Alias("News")]
    Task<PushNews> NewsAsync(Guid activation, int after);
}

/// <param name="Hashes">SHA-256 of NARs, one after the other, 32 bytes each.</param>
[GenerateSerializer, Immutable, Alias("OrleansCache.ArrivedNars")]
public sealed record ArrivedNars([property: Id(0)] byte[] Hashes);

/// <param name="Activation">The activation that counts; with another one the count begins anew.</param>
/// <param name="Count">Arrivals so far.</param>
/// <param name="Hashes">The new arrivals, as in <see cref="ArrivedNars"/>.</param>
/// <param name="Ended">The push has ended or lapsed: ask the catalog.</param>
/// <param name="IsComplete">All that it has to upload has arrived.</param>
[GenerateSerializer, Immutable, Alias("OrleansCache.PushNews")]
public sealed record PushNews([property: Id(0)] Guid Activation, [property: Id(1)] int Count, [property: Id(2)] byte[] Hashes,
    [property: Id(3)] bool Ended, [property: Id(4)] bool IsComplete = false);
