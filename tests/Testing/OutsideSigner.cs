using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansCache.Nix;

namespace OrleansCache.Testing;

/// <summary>A program of <c>--sign-command</c>, played by this process through named pipes: two for each time that it is started.</summary>
public sealed class OutsideSigner : IAsyncDisposable
{
    private readonly TempFolder _folder = new("oc-signer-");
    private readonly FileStream _starts;
    private readonly List<(string Folder, Task Playing)> _runs = [];
    private readonly Task _starting;
    private volatile bool _isOver;
    private volatile StreamWriter? _output;

    private OutsideSigner(string keyName)
    {
        Key = SecretKey.Generate(keyName);
        Named = Key.PublicKey.ToString();
        Answer = fingerprints => new JsonObject { ["signatures"] = new JsonArray([.. fingerprints.Select(f => (JsonNode)Key.Sign(f))]) };
        ProcessRunner.RunAsync("mkfifo", [_folder["starts"]]).GetAwaiter().GetResult();
        _starts = Open(_folder["starts"], FileAccess.ReadWrite);
        _starting = Task.Run(TakeStarts);
    }

    public static Task<OutsideSigner> StartAsync(string keyName = "outside-1") => Task.Run(() => new OutsideSigner(keyName));

    public SecretKey Key { get; }

    /// <summary>What the program says its key is.</summary>
    public string Named { get; set; }

    /// <summary>The answer to fingerprints, without its id; null: none.</summary>
    public Func<string[], JsonObject?> Answer { get; set; }

    /// <summary>How many fingerprints each request had.</summary>
    public ConcurrentQueue<int> Requests { get; } = new();

    /// <summary>How often it was started.</summary>
    public int Starts
    {
        get
        {
            lock (_runs)
                return _runs.Count;
        }
    }

    // The shell keeps its standard input from what runs in the background.
    public string Command => $"d=$(mktemp -d '{_folder.Path}/XXXXXX'); mkfifo $d/in $d/out; echo $d >'{_folder["starts"]}'; exec 3<&0; " +
        "cat <&3 >$d/in & cat $d/out; kill $!";

    /// <summary>The program dies.</summary>
    public void Die() => _output?.Dispose();

    public async ValueTask DisposeAsync()
    {
        _isOver = true;
        _starts.Write("\n"u8);
        await _starting;
        foreach (var (folder, playing) in _runs)
        {
            // Whoever waits to open a pipe goes on when the other end is there.
            using (Open($"{folder}/in", FileAccess.ReadWrite))
            using (Open($"{folder}/out", FileAccess.ReadWrite))
                await Task.Delay(20); // It opens its end in its own thread, and nothing tells when.
            await playing;
        }

        await _starts.DisposeAsync();
        _folder.Dispose();
    }

    private static FileStream Open(string path, FileAccess access) =>
        new(path, FileMode.Open, access, FileShare.ReadWrite, bufferSize: 1);

    private void TakeStarts()
    {
        using var lines = new StreamReader(_starts, leaveOpen: true);
        while (lines.ReadLine() is { Length: > 0 } folder)
        {
            lock (_runs)
                _runs.Add((folder, Task.Run(() => PlayAsync(folder))));
        }
    }

    private async Task PlayAsync(string folder)
    {
        try
        {
            await using var output = new StreamWriter(Open($"{folder}/out", FileAccess.Write)) { AutoFlush = true };
            _output = output;
            await output.WriteLineAsync(new JsonObject { ["publicKey"] = Named }.ToJsonString());
            using var input = new StreamReader(Open($"{folder}/in", FileAccess.Read));
            while (!_isOver && await input.ReadLineAsync() is { } line)
                await AnswerAsync(line, output);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or JsonException)
        {
            // It died, or was ended in the middle of a line: who asked gets no answer.
        }
    }

    private async Task AnswerAsync(string line, StreamWriter output)
    {
        var question = JsonSerializer.Deserialize<JsonObject>(line)!;
        string[] fingerprints = [.. question["fingerprints"]!.AsArray().Select(f => (string)f!)];
        Requests.Enqueue(fingerprints.Length);
        if (Answer(fingerprints) is not { } answer)
            return;
        answer["id"] = (long)question["id"]!;
        await output.WriteLineAsync(answer.ToJsonString());
    }
}
