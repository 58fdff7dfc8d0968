using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Store;
using OrleansCache.Cli.Tests.Fake;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Nix;
using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary><c>push --stdin</c>: paths are pushed as they come.</summary>
public sealed class PushStreamTests : IAsyncLifetime, IDisposable
{
    private readonly FakeNix _nix = new();
    private FakeCache _cache = null!;

    public async Task InitializeAsync() => _cache = await FakeCache.StartAsync();

    public async Task DisposeAsync() => await _cache.DisposeAsync();

    public void Dispose() => _nix.Dispose();

    [Fact]
    public async Task Each_path_is_answered_while_the_input_goes_on()
    {
        using var client = Start();
        for (var i = 0; i < 3; i++)
        {
            var path = _nix.Build($"path{i}").Path;
            await client.WriteAsync(path.ToString());

            var answer = (await client.LinesAsync(i + 1))[i];

            Assert.Equal((path.ToString(), "published"), (Text(answer, "path"), Text(answer, "outcome")));
            Assert.Contains(path.Hash, _cache.Live.Keys);
        }

        Assert.Equal(0, await client.EndAsync());
        var summary = (await client.LinesAsync(4))[3];
        Assert.Equal((3, 3), (summary.GetProperty("pushes").GetInt32(), summary.GetProperty("roots").GetProperty("published").GetInt32()));
    }

    [Fact]
    public async Task Paths_that_come_together_are_one_push_and_what_is_there_is_told_as_present()
    {
        var paths = Enumerable.Range(0, 20).Select(i => _nix.Build($"path{i}").Path).ToList();
        using (var first = Start())
        {
            await first.WriteAsync(paths[0].ToString());
            Assert.Equal(0, await first.EndAsync());
        }

        using var client = Start();
        await client.WriteAsync(string.Join('\0', paths));

        Assert.Equal(0, await client.EndAsync());
        var lines = await client.LinesAsync(21);
        Assert.Equal("present", Text(lines[0], "outcome"));
        Assert.Single(lines.Take(20).Select(line => Text(line, "push")).Distinct());
        Assert.All(lines.Skip(1).Take(19), line => Assert.Equal("published", Text(line, "outcome")));
    }

    [Fact]
    public async Task A_path_that_cannot_be_pushed_is_told_and_the_others_go_on()
    {
        var (good, damaged, last) = (_nix.Build("good").Path, _nix.Build("damaged").Path, _nix.Build("last").Path);
        _nix.Damage(damaged);
        var gone = _nix.Build("gone").Path;
        _nix.Collect(gone);
        using var client = Start();
        await client.WriteAsync($"{good}\n{damaged}\n/nowhere\n{gone}\n{last}");

        Assert.NotEqual(0, await client.EndAsync());

        var outcomes = (await client.LinesAsync(6)).Take(5).ToDictionary(line => Text(line, "path"), line => Text(line, "outcome"));
        Assert.Equal(new Dictionary<string, string>
        {
            [good.ToString()] = "published",
            [damaged.ToString()] = "failed",
            ["/nowhere"] = "failed",
            [gone.ToString()] = "lost",
            [last.ToString()] = "published",
        }, outcomes);
        Assert.Contains("damaged", client.Errors, StringComparison.Ordinal);
        Assert.Equal(new[] { good.Hash, last.Hash }.Order(), _cache.Live.Keys.Order());
    }

    [Fact]
    public async Task A_root_that_needs_what_is_excluded_is_told_with_the_cause()
    {
        var secret = _nix.Build("key-secret");
        var (app, other) = (_nix.Build("app", needs: secret).Path, _nix.Build("other").Path);
        using var client = Start("--exclude", "*-secret");
        await client.WriteAsync($"{app}\n{other}");

        Assert.Equal(0, await client.EndAsync());

        var leftOut = (await client.LinesAsync(3)).Single(line => line.TryGetProperty("cause", out _));
        Assert.Equal((app.ToString(), "left-out", secret.Path.ToString()),
            (Text(leftOut, "path"), Text(leftOut, "outcome"), Text(leftOut, "cause")));
        Assert.Equal([other.Hash], _cache.Live.Keys);
    }

    [Fact]
    public async Task A_named_root_that_needs_what_is_excluded_is_left_out_too()
    {
        var app = _nix.Build("app", needs: _nix.Build("key-secret")).Path;

        var run = await Client.RunAsync(["push", "--url", _cache.Url.ToString(), "--exclude", "*-secret", app.ToString()],
            _nix.Environment);

        Client.AssertTold(run, ExitCodes.Ok, $"{app} is left out", "key-secret", "--exclude");
        Assert.Empty(_cache.Live);
    }

    [Fact]
    public async Task Without_a_server_the_end_of_the_input_is_not_waited_for()
    {
        using var client = new OpenClient(["push", "--stdin", "--url", "http://127.0.0.1:9"], _nix.Environment);
        await client.WriteAsync(_nix.Build("path").Path.ToString());

        await client.LinesAsync(int.MaxValue);

        Assert.Equal(ExitCodes.Unreachable, await client.EndAsync());
    }

    [Fact]
    public async Task A_full_batch_makes_the_writer_wait()
    {
        var batches = new RootBatches(TimeProvider.System);
        var written = 0;
        var writing = Task.Run(async () =>
        {
            for (; written < 12_000; written++)
                await batches.AddAsync(PathOf(written), CancellationToken.None);
            batches.Complete();
        });
        await Task.WhenAny(writing, Task.Delay(200));
        Assert.InRange(written, 1, 5000);

        var sizes = new List<int>();
        while (await batches.NextAsync(CancellationToken.None) is { } batch)
            sizes.Add(batch.Count);

        await writing;
        Assert.Equal(12_000, sizes.Sum());
        Assert.All(sizes, size => Assert.InRange(size, 1, 5000));
    }

    [Fact]
    public void A_list_is_read_in_pieces_of_any_size()
    {
        var names = new List<string>();
        PathList.Read(new StringReader($"  one \n\n{new string('x', 70_000)}\r\ntwo\0three"), names.Add);

        Assert.Equal(["one", new string('x', 70_000), "two", "three"], names);
    }

    private static StorePath PathOf(int number) =>
        StorePath.Parse($"{new string('0', 32 - 5)}{number:D5}-x");

    private static string Text(JsonElement line, string name) => line.GetProperty(name).GetString()!;

    private OpenClient Start(params string[] more) =>
        new(["push", "--stdin", "--json", "--url", _cache.Url.ToString(), .. more], _nix.Environment);
}
