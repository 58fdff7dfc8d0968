using System.Globalization;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Terminal;

/// <summary>Shows a running push on standard error: one line that is redrawn on a terminal, else an occasional line.</summary>
internal sealed class ProgressDisplay : IAsyncDisposable
{
    private const string ClearLine = "\r\e[2K";

    private static readonly TimeSpan Redraw = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(10);

    private readonly TextWriter _out;
    private readonly bool _live;
    private readonly bool _quiet;
    private readonly Func<int> _width;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private ITimer? _timer;
    private PushProgress? _progress;
    private Rate _rate;
    private bool _drawn; // a status line is on the terminal

    public ProgressDisplay(TextWriter output, bool live, bool quiet, Func<int> width, TimeProvider time) =>
        (_out, _live, _quiet, _width, _time) = (output, live, quiet, width, time);

    public static ProgressDisplay Create(bool quiet)
    {
        var live = !quiet && !Console.IsErrorRedirected && Environment.GetEnvironmentVariable("TERM") is { Length: > 0 } and not "dumb";
        return new ProgressDisplay(Console.Error, live, quiet, () => Console.WindowWidth, TimeProvider.System);
    }

    public void Show(PushProgress progress)
    {
        if (_quiet)
            return;
        _progress = progress;
        var interval = _live ? Redraw : PlainInterval;
        _timer ??= _time.CreateTimer(_ => Draw(), null, interval, interval);
    }

    /// <summary>A line that stays.</summary>
    public void Note(string line)
    {
        lock (_lock)
        {
            if (_drawn)
                _out.Write(ClearLine);
            _drawn = false;
            _out.WriteLine(line);
            _out.Flush();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_timer is not null)
            await _timer.DisposeAsync();
        _timer = null;
        lock (_lock)
        {
            if (_drawn)
                _out.Write(ClearLine);
            _drawn = false;
            _out.Flush();
        }
    }

    internal void Draw()
    {
        lock (_lock)
        {
            if (_progress is not { } progress)
                return;
            var line = Line(progress, _rate.Update(progress.ReadBytes, _time));
            if (_live)
            {
                // A line that wraps could not be erased.
                var width = Math.Max(20, _width() - 1);
                _out.Write(ClearLine + (line.Length > width ? line[..width] : line));
                _drawn = true;
            }
            else
            {
                _out.WriteLine(line);
            }

            _out.Flush();
        }
    }

    /// <summary>The phase, the amount, the speed, and the time that is left.</summary>
    internal static string Line(PushProgress progress, double bytesPerSecond)
    {
        if (progress.ToUpload == 0 || progress.ReadBytes == 0)
            return progress.Phase;
        var (read, total) = (progress.ReadBytes, progress.TotalBytes);
        var percent = total == 0 ? 100 : Math.Min(100, 100 * read / total);
        var line = string.Create(CultureInfo.InvariantCulture,
            $"{progress.Phase}  {percent}%  {progress.Uploaded}/{progress.ToUpload} NARs  {Text.Bytes(read)} of {Text.Bytes(total)}, " +
                $"sent {Text.Bytes(progress.SentBytes)}");
        if (bytesPerSecond < 1 || read >= total)
            return line;
        return $"{line}  {Text.Bytes(bytesPerSecond)}/s  " +
            $"{Text.Duration(TimeSpan.FromSeconds(Math.Min(1e6, (total - read) / bytesPerSecond)))} left";
    }

    /// <summary>Bytes per second, smoothed over some seconds.</summary>
    private struct Rate
    {
        private const double SmoothingSeconds = 3;

        private long _timestamp, _bytes;
        private double _rate;

        public double Update(long bytes, TimeProvider time)
        {
            var now = time.GetTimestamp();
            var seconds = _timestamp == 0 ? 0 : time.GetElapsedTime(_timestamp, now).TotalSeconds;
            if (seconds > 0)
            {
                var current = (bytes - _bytes) / seconds;
                var weight = _rate == 0 ? 1 : 1 - Math.Exp(-seconds / SmoothingSeconds);
                _rate += (current - _rate) * weight;
            }

            (_timestamp, _bytes) = (now, bytes);
            return _rate;
        }
    }
}
