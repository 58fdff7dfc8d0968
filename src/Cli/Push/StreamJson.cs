using System.Text;
using System.Text.Json;

namespace OrleansCache.Cli.Push;

/// <summary>The lines of <c>--json</c> where roots come one by one: a line for each, and one at the end.</summary>
internal static class StreamJson
{
    private static readonly JsonWriterOptions Readable =
        new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Line(RootAnswer answer) => Line(json =>
    {
        json.WriteString("path", answer.Root.ToString());
        json.WriteString("outcome", Word(answer.Outcome));
        if (answer.Push is { } push)
            json.WriteString("push", push);
        if (answer.Cause is { } cause)
            json.WriteString("cause", cause.ToString());
        if (answer.Why is { } why)
            json.WriteString("why", why);
    });

    /// <summary>A name that leads to no store path.</summary>
    public static string Line(string name, string why) => Line(json =>
    {
        json.WriteString("path", name);
        json.WriteString("outcome", Word(RootOutcome.Failed));
        json.WriteString("why", why);
    });

    public static string Line(PushTotals totals, TimeSpan total) => Line(json =>
    {
        json.WriteNumber("pushes", totals.Pushes);
        json.WriteStartObject("roots");
        foreach (var outcome in Enum.GetValues<RootOutcome>())
            json.WriteNumber(Word(outcome), totals[outcome]);
        json.WriteEndObject();
        json.WriteNumber("published", totals.Published);
        json.WriteNumber("uploaded", totals.Uploaded);
        json.WriteNumber("narBytes", totals.NarBytes);
        json.WriteNumber("fileBytes", totals.FileBytes);
        json.WriteNumber("seconds", Math.Round(total.TotalSeconds, 3));
    });

    public static string Word(RootOutcome outcome) => outcome switch
    {
        RootOutcome.Published => "published",
        RootOutcome.Present => "present",
        RootOutcome.LeftOut => "left-out",
        RootOutcome.Lost => "lost",
        RootOutcome.Failed => "failed",
        RootOutcome.Unreached => "unreached",
    };

    private static string Line(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, Readable))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
