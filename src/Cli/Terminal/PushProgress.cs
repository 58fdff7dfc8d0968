namespace OrleansCache.Cli.Terminal;

/// <summary>What a push has done so far; many threads count, one reads.</summary>
internal sealed class PushProgress
{
    private long _readBytes, _sentBytes, _totalBytes;
    private int _uploaded, _toUpload;
    private volatile string _phase = "";

    /// <summary>What comes before the phase, where there are many pushes.</summary>
    public string Title { get; init; } = "";

    /// <summary>The current phase, in words.</summary>
    public string Phase
    {
        get => Title + _phase;
        set => _phase = value;
    }

    /// <summary>Uncompressed bytes read.</summary>
    public long ReadBytes => Volatile.Read(ref _readBytes);

    /// <summary>Compressed bytes that have arrived.</summary>
    public long SentBytes => Volatile.Read(ref _sentBytes);

    /// <summary>Uncompressed bytes of everything that this push has been told to upload.</summary>
    public long TotalBytes => Volatile.Read(ref _totalBytes);

    public int Uploaded => Volatile.Read(ref _uploaded);

    public int ToUpload => Volatile.Read(ref _toUpload);

    /// <summary>Gets each line that is worth showing: warnings, and attempts that are repeated.</summary>
    public Action<string> Note { get; init; } = _ => { };

    public void Read(long bytes) => Interlocked.Add(ref _readBytes, bytes);

    public void Planned(int nars, long bytes)
    {
        Interlocked.Add(ref _toUpload, nars);
        Interlocked.Add(ref _totalBytes, bytes);
    }

    public void Arrived(long bytes) => Interlocked.Add(ref _sentBytes, bytes);

    public void Finished() => Interlocked.Increment(ref _uploaded);
}
