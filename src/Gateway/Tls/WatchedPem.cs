using System.Security.Cryptography;
using System.Text;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Tls;

/// <summary>
/// What PEM files hold. They are compared with what was read last, and read anew when they differ. A change counts once two looks in a row
/// have seen the same: half of a file of several certificates can be read, too, and holds fewer of them.
/// </summary>
/// <typeparam name="T">What the files hold.</typeparam>
internal sealed class WatchedPem<T> where T : class
{
    private const int MaxFile = 4 << 20;
    private static readonly byte[] Unreadable = [0];

    private readonly string[] _files;
    private readonly Func<string[], T> _parse;
    private volatile T _value;
    private byte[] _seen; // What was judged last, whether it could be used or not.
    private byte[]? _next; // What the last look saw, if that was something else.

    /// <param name="files">The files.</param>
    /// <param name="parse">Makes the value from their texts. Throws <see cref="CryptographicException"/> or
    /// <see cref="ArgumentException"/> when it cannot.</param>
    /// <exception cref="StartupException">The files cannot be used.</exception>
    public WatchedPem(string[] files, Func<string[], T> parse)
    {
        (_files, _parse) = (files, parse);
        try
        {
            var texts = Read();
            (_value, _seen) = (parse(texts), Digest(texts));
        }
        catch (Exception e) when (IsOfFiles(e))
        {
            throw new StartupException($"{string.Join(" and ", files)} cannot be used for TLS: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    /// <summary>What the files held when they could last be used.</summary>
    public T Value => _value;

    /// <summary>Reads the files; one caller at a time.</summary>
    /// <param name="trouble">Why they cannot be used, said once for each content; null: they can, or were told of before.</param>
    /// <returns>True when there is a new value: a change that the look before has seen, too.</returns>
    public bool Refresh(out string? trouble)
    {
        trouble = null;
        string[]? texts = null;
        var state = Unreadable;
        Exception? failure = null;
        try
        {
            texts = Read();
            state = Digest(texts);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            failure = e;
        }

        if (!IsSettled(state))
            return false;
        _seen = state;
        try
        {
            if (texts is not null)
                _value = _parse(texts);
        }
        catch (Exception e) when (IsOfFiles(e))
        {
            // A renewal writes one file after the other, so it may have been seen half done.
            failure = e;
        }

        trouble = failure?.Message.ReplaceLineEndings(" ");
        return failure is null;
    }

    // True of a change that two looks in a row have seen.
    private bool IsSettled(byte[] state)
    {
        var isNews = !state.AsSpan().SequenceEqual(_seen);
        var isSeenTwice = _next is not null && state.AsSpan().SequenceEqual(_next);
        _next = isNews && !isSeenTwice ? state : null;
        return isNews && isSeenTwice;
    }

    private static bool IsOfFiles(Exception e) =>
        e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException;

    private string[] Read() => [.. _files.Select(ReadOne)];

    private static string ReadOne(string path)
    {
        using var file = File.OpenRead(path);
        if (file.Length > MaxFile)
            throw new IOException($"{path} has more than {MaxFile >> 20} MiB: a PEM file is wanted.");
        var bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return Encoding.UTF8.GetString(bytes);
    }

    private static byte[] Digest(string[] texts) =>
        SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', texts)));
}
