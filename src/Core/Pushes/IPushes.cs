using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using OrleansCache.Protocol;

namespace OrleansCache.Core.Pushes;

/// <summary>
/// The push contract. Clients that cannot wait, renew or declare first have contracts of their own over the same functions: <see cref="INiks3Pushes"/>, <see cref="NixCopy.INixCopy"/>. Each call may be sent again after a lost answer.
/// Bad requests and unmet conditions are <see cref="CacheProblemException"/>.
/// </summary>
public interface IPushes
{
    /// <summary>The same for somebody else. A push of another publisher is as if it were not there, but for who begin said may commit it, and for an admin.</summary>
    IPushes As(Caller caller);

    /// <summary>Opens a push of a closure. The same <paramref name="operation"/> again joins the push that it opened.</summary>
    Task<PushOpened> BeginAsync(CacheName cache, BeginPush request, OperationId operation, CancellationToken cancel);

    /// <summary>Checks and records finished uploads, and keeps listings, logs and realisations for the commit.</summary>
    Task<ReportAnswer> ReportAsync(CacheName cache, PushId push, UploadReport report, CancellationToken cancel);

    /// <summary>Waits until one of the paths is no longer being uploaded by others, or the timeout has passed.</summary>
    Task<WaitAnswer> WaitAsync(CacheName cache, PushId push, WaitRequest request, CancellationToken cancel);

    /// <summary>Fresh upload URLs of a grant.</summary>
    Task<UrlsAnswer> UrlsAsync(CacheName cache, PushId push, string upload, UrlsRequest request, CancellationToken cancel);

    /// <summary>
    /// Publishes the closure, all or nothing. Answers <see cref="PushState.Committing"/> when that takes longer than <paramref name="patience"/>; asking again joins it.
    /// Paths that are neither live nor uploaded: <see cref="ProblemKind.MissingPaths"/>.
    /// </summary>
    Task<CommitAnswer> CommitAsync(CacheName cache, PushId push, TimeSpan patience, CancellationToken cancel);

    /// <summary>The pin that the push's commit sets; null when it sets none, or there is no such push.</summary>
    Task<PinName?> PinAsync(CacheName cache, PushId push, CancellationToken cancel);

    /// <summary>Extends an open push; says which promises a lapse has cost.</summary>
    Task<RenewAnswer> RenewAsync(CacheName cache, PushId push, CancellationToken cancel);

    /// <summary>Ends an open push without publishing. Uploads that nobody else holds are collected. Aborting an ended push does nothing.</summary>
    Task AbortAsync(CacheName cache, PushId push, CancellationToken cancel);

    /// <summary>Which of the paths are absent? Advice only.</summary>
    Task<MissingAnswer> MissingAsync(CacheName cache, MissingRequest request, CancellationToken cancel);
}

/// <summary>Identifies a push within its cache: 128 random bits, as 32 hexadecimal digits. A push from before there were such ids has its number, in decimal.</summary>
public readonly record struct PushId(Guid Value)
{
    private const int Digits = 32;
    private const int NumberDigits = 19;

    /// <summary>Of a push that is being opened.</summary>
    public static PushId New() => new(new Guid(RandomNumberGenerator.GetBytes(Digits / 2)));

    public static bool TryParse(string? text, out PushId id)
    {
        id = default;
        if (text is { Length: Digits })
        {
            if (!Guid.TryParseExact(text, "N", out var value) || Number(value) is not null)
                return false;
            id = new PushId(value);
            return true;
        }

        if (text is not { Length: > 0 and <= NumberDigits } || !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number <= 0)
            return false;
        Span<byte> bytes = stackalloc byte[Digits / 2];
        bytes.Clear();
        BinaryPrimitives.WriteInt64BigEndian(bytes[8..], number);
        id = new PushId(new Guid(bytes, bigEndian: true));
        return true;
    }

    public override string ToString() => Number(Value) is { } number ? number.ToString(CultureInfo.InvariantCulture) : Value.ToString("N");

    private static long? Number(Guid value)
    {
        Span<byte> bytes = stackalloc byte[Digits / 2];
        value.TryWriteBytes(bytes, bigEndian: true, out _);
        return BinaryPrimitives.ReadInt64BigEndian(bytes) == 0 ? BinaryPrimitives.ReadInt64BigEndian(bytes[8..]) : null;
    }
}

/// <summary>The client's <c>Idempotency-Key</c>, or one minted at the gateway: 1 to 128 printable ASCII characters.</summary>
public readonly record struct OperationId
{
    private OperationId(string value) => Value = value;

    public string Value { get; }

    public static OperationId New() => new(Guid.CreateVersion7().ToString("n"));

    public static bool TryParse(string? text, out OperationId id)
    {
        id = default;
        if (text is null || text.Length is 0 or > 128 || text.AsSpan().ContainsAnyExceptInRange('!', '~'))
            return false;
        id = new OperationId(text);
        return true;
    }

    public override string ToString() => Value ?? "";
}
