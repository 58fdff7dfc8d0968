namespace OrleansCache.Cli.Terminal;

/// <summary>
/// Shows a state on standard error: one line that is redrawn on a terminal; else a line when its headline changes, and an occasional one.
/// </summary>
internal sealed class StatusLine(TextWriter output, bool live, Func<int> width, TimeProvider time) : IDisposable
{
    private const string ClearLine = "\r\e[2K";
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(10);
    private string? _headline;
    private long _printed;
    private bool _drawn;

    public static StatusLine Create()
    {
        var live = !Console.IsErrorRedirected && Environment.GetEnvironmentVariable("TERM") is { Length: > 0 } and not "dumb";
        return new StatusLine(Console.Error, live, () => Console.WindowWidth, TimeProvider.System);
    }

    public void Show(string headline, string details)
    {
        var line = details.Length == 0 ? headline : $"{headline}  {details}";
        if (live)
        {
            // A line that wraps could not be erased.
            var most = Math.Max(20, width() - 1);
            output.Write(ClearLine + (line.Length > most ? line[..most] : line));
            output.Flush();
            _drawn = true;
            return;
        }

        if (headline == _headline && time.GetElapsedTime(_printed) < PlainInterval)
            return;
        (_headline, _printed) = (headline, time.GetTimestamp());
        output.WriteLine(line);
        output.Flush();
    }

    /// <summary>Erases the line; the next output begins in its place.</summary>
    public void Clear()
    {
        if (!_drawn)
            return;
        output.Write(ClearLine);
        output.Flush();
        _drawn = false;
    }

    public void Dispose() => Clear();
}
