using System.Diagnostics;
using System.Text.Json;
using OrleansCache.Testing;

namespace OrleansCache.Cli.Tests.Surroundings;

/// <summary>The program with a standard input that the test goes on writing to.</summary>
internal sealed class OpenClient : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly Process _process;
    private readonly List<string> _lines = [];
    private readonly System.Text.StringBuilder _errors = new();

    public OpenClient(IEnumerable<string> arguments, IReadOnlyDictionary<string, string?> environment)
    {
        var start = new ProcessStartInfo(Client.Program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in Client.Surrounded(environment))
            if (value is null) start.Environment.Remove(name);
            else start.Environment[name] = value;
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is not null)
                lock (_lines) _lines.Add(line.Data);
        };
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_errors) _errors.AppendLine(line.Data);
        };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Errors
    {
        get
        {
            lock (_errors) return _errors.ToString();
        }
    }

    public async Task WriteAsync(string line)
    {
        await _process.StandardInput.WriteAsync($"{line}\n");
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Waits for so many lines of JSON, and returns all that have come.</summary>
    public async Task<List<JsonElement>> LinesAsync(int count)
    {
        await Eventually.BecomesTrueAsync(() => Task.FromResult(Lines().Count >= count || _process.HasExited), Patience,
            () => $"{count} lines of {string.Join('\n', Lines())}\n{Errors}");
        return Lines().ConvertAll(line => JsonDocument.Parse(line).RootElement);
    }

    /// <summary>Ends its input, waits for its end, and returns the exit code.</summary>
    public async Task<int> EndAsync()
    {
        _process.StandardInput.Close();
        using var limit = new CancellationTokenSource(Patience);
        await _process.WaitForExitAsync(limit.Token);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }

    private List<string> Lines()
    {
        lock (_lines) return [.. _lines];
    }
}
