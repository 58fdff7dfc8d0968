using Orleans.CodeGeneration;
using Orleans.Concurrency;

namespace OrleansCache.Grains;

/// <summary>
/// A push that uploads or waits, by <c>cache/id</c>: tells who waits for its uploads what has become of them, and keeps it open while its
/// client shows signs of life.
/// Awake until it ends or lapses. All that it says is advice; a fresh activation knows nothing, and says so.
/// </summary>
[Version(Contract.Version)]
[Alias("OrleansCache.IPushGrain")]
public interface IPushGrain : IGrainWithStringKey
{
    /// <summary>It uploads or waits, or was renewed: open until then without a sign of life.</summary>
    [OneWay]
    [Alias("Opened")]
    Task OpenedAsync(DateTimeOffset expires);

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

    /// <summary>Others of the closure with this digest wait until this push has ended: <see cref="IClosureGrain"/> is told then.</summary>
    [OneWay]
    [Alias("GoesFirst")]
    Task GoesFirstAsync(byte[] closure);

    /// <summary>
    /// What has happened after the first <paramref name="after"/> arrivals of <paramref name="activation"/>; none within five seconds is an
    /// answer too.
    /// </summary>
    [AlwaysInterleave]
    [Alias("News")]
    Task<PushNews> NewsAsync(Guid activation, int after);
}

/// <param name="Hashes">SHA-256 of NARs, one after the other, 32 bytes each.</param>
[GenerateSerializer, Immutable, Alias("OrleansCache.ArrivedNars")]
public sealed record ArrivedNars([property: Id(0)] byte[] Hashes);

/// <param name="Activation">Counts are of this activation; after another one all begins anew.</param>
/// <param name="Count">Arrivals so far.</param>
/// <param name="Hashes">The new ones, as in <see cref="ArrivedNars"/>.</param>
/// <param name="Ended">The push has ended or lapsed: ask the catalog.</param>
[GenerateSerializer, Immutable, Alias("OrleansCache.PushNews")]
public sealed record PushNews([property: Id(0)] Guid Activation, [property: Id(1)] int Count, [property: Id(2)] byte[] Hashes,
    [property: Id(3)] bool Ended);
