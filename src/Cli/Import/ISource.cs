namespace OrleansCache.Cli.Import;

/// <summary>A binary cache that is read: a folder, a bucket, or what a web server gives.</summary>
internal interface ISource : IDisposable
{
    /// <summary>As messages name it.</summary>
    string Name { get; }

    /// <summary>False: only what is asked for by its name can be found.</summary>
    bool Lists { get; }

    /// <summary>The keys that begin with a folder such as <c>log/</c>; of the empty folder those without any.</summary>
    /// <exception cref="Common.CliException">It cannot be listed.</exception>
    IAsyncEnumerable<string> ListAsync(string folder, CancellationToken cancellationToken);

    /// <summary>A small object; null when there is none.</summary>
    /// <exception cref="Common.CliException">It cannot be read.</exception>
    Task<SourceObject?> ReadAsync(string key, CancellationToken cancellationToken);

    /// <summary>Reads a NAR's file, as its narinfo names it; null when there is none. For threads that may wait.</summary>
    /// <exception cref="Common.CliException">The source does not answer; also while it is read.</exception>
    /// <exception cref="IOException">This file cannot be read.</exception>
    Stream? Open(string url, CancellationToken cancellationToken);
}

/// <param name="Bytes">As they are stored.</param>
/// <param name="Encoding">Their <c>Content-Encoding</c>, where the source tells one.</param>
internal sealed record SourceObject(byte[] Bytes, string? Encoding);
